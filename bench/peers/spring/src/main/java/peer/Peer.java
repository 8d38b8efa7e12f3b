// The article's programs on Spring Boot, with the Tomcat that its web starter brings.
//
// SPDX-License-Identifier: MIT
package peer;

import jakarta.servlet.http.HttpServletRequest;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.core.io.FileSystemResource;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.servlet.mvc.method.annotation.StreamingResponseBody;

@SpringBootApplication
@RestController
public class Peer {
    private static final int CACHE_MAX = 1000;

    record Reply(String request_id, long timestamp, String status) {}

    record Computed(String key, boolean computed) {}

    private final Path root;
    private final Map<String, Computed> cache = new ConcurrentHashMap<>();

    Peer(@Value("${peer.root}") Path root) {
        this.root = root.toAbsolutePath().normalize();
    }

    public static void main(String[] args) {
        SpringApplication.run(Peer.class, args);
    }

    private static ResponseEntity<String> notFound() {
        return ResponseEntity.status(404).contentType(MediaType.TEXT_PLAIN).body("File not found");
    }

    @GetMapping(value = "/", produces = "text/plain")
    String hello() {
        return "Hello, World!";
    }

    @GetMapping("/file/{*file}")
    ResponseEntity<?> file(@PathVariable String file) {
        Path path = root.resolve(file.substring(1)).normalize();
        if (!path.startsWith(root) || !Files.isRegularFile(path)) {
            return notFound();
        }
        return ResponseEntity.ok().contentType(MediaType.APPLICATION_OCTET_STREAM).body(new FileSystemResource(path));
    }

    @GetMapping("/stream")
    ResponseEntity<StreamingResponseBody> stream() {
        return ResponseEntity.ok().contentType(MediaType.TEXT_PLAIN).body(out -> {
            for (int i = 0; i < 1_000_000; i++) {
                out.write(("Chunk " + i + "\n").getBytes(StandardCharsets.US_ASCII));
                if (i % 1000 == 0) {
                    out.flush();
                    pause();
                }
            }
        });
    }

    private static void pause() throws IOException {
        try {
            Thread.sleep(1);
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    @GetMapping("/large")
    ResponseEntity<StreamingResponseBody> large() throws IOException {
        Path path = root.resolve("large.bin");
        if (!Files.isRegularFile(path)) {
            return ResponseEntity.notFound().build();
        }
        return ResponseEntity.ok().contentType(MediaType.APPLICATION_OCTET_STREAM).contentLength(Files.size(path))
            .header("Connection", "close").body(out -> copy(path, out));
    }

    private static void copy(Path path, OutputStream out) throws IOException {
        byte[] buffer = new byte[8192];
        try (InputStream in = Files.newInputStream(path)) {
            for (int length; (length = in.read(buffer)) > 0;) {
                out.write(buffer, 0, length);
            }
        }
    }

    @GetMapping("/json")
    Reply json(@RequestHeader(name = "X-Request-ID", defaultValue = "unknown") String id) {
        return new Reply(id, Instant.now().getEpochSecond(), "ok");
    }

    @GetMapping(value = "/efficient", produces = "text/plain")
    String efficient(HttpServletRequest request) {
        return "A reply to " + request.getRequestURI() + ", made in 1024 bytes of stack.\n";
    }

    @GetMapping("/csv")
    ResponseEntity<StreamingResponseBody> csv() {
        return ResponseEntity.ok().contentType(MediaType.valueOf("text/csv")).body(out -> {
            try (BufferedReader lines = Files.newBufferedReader(root.resolve("large_dataset.csv"))) {
                for (String line; (line = lines.readLine()) != null;) {
                    out.write((line.toUpperCase(Locale.ROOT) + "\n").getBytes(StandardCharsets.UTF_8));
                }
            }
        });
    }

    @GetMapping("/cache/{key}")
    ResponseEntity<Computed> cached(@PathVariable String key) {
        Computed value = cache.get(key);
        String hit = value == null ? "MISS" : "HIT";
        if (value == null) {
            value = new Computed(key, true);
            if (cache.size() < CACHE_MAX) {
                cache.put(key, value);
            }
        }
        return ResponseEntity.ok().header("X-Cache", hit).body(value);
    }
}
