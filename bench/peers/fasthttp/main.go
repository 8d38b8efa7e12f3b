// The article's programs on fasthttp, routed by a switch over the path, as its own examples do.
//
// SPDX-License-Identifier: MIT
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	cacheMax = 1000
	piece    = 8192
)

type app struct {
	root  string
	files fasthttp.RequestHandler
	mutex sync.RWMutex
	cache map[string][]byte
}

func notFound(ctx *fasthttp.RequestCtx) {
	ctx.Error("File not found", fasthttp.StatusNotFound)
}

func (a *app) file(ctx *fasthttp.RequestCtx) {
	a.files(ctx)
	ctx.SetContentType("application/octet-stream")
}

func stream(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("text/plain")
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		for i := 0; i < 1000000; i++ {
			if _, err := fmt.Fprintf(w, "Chunk %d\n", i); err != nil {
				return
			}
			if i%1000 == 0 {
				if w.Flush() != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}
	})
}

// pieces is a file that is read 8192 bytes at a time: the library's own copying asks for 32 KiB. As it is no *os.File, it
// does not go out by sendfile either.
type pieces struct {
	file *os.File
}

func (p pieces) Read(to []byte) (int, error) {
	return p.file.Read(to[:min(len(to), piece)])
}

func (p pieces) Close() error {
	return p.file.Close()
}

func (a *app) large(ctx *fasthttp.RequestCtx) {
	file, err := os.Open(filepath.Join(a.root, "large.bin"))
	if err != nil {
		notFound(ctx)
		return
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		notFound(ctx)
		return
	}
	ctx.SetContentType("application/octet-stream")
	ctx.SetConnectionClose()
	ctx.SetBodyStream(pieces{file}, int(info.Size())) // it is closed behind the reply
}

func reply(ctx *fasthttp.RequestCtx) {
	id := ctx.Request.Header.Peek("X-Request-ID")
	if len(id) == 0 {
		id = []byte("unknown")
	}
	ctx.SetContentType("application/json")
	value, _ := json.Marshal(struct {
		ID        string `json:"request_id"`
		Timestamp int64  `json:"timestamp"`
		Status    string `json:"status"`
	}{string(id), time.Now().Unix(), "ok"})
	ctx.SetBody(value)
}

func efficient(ctx *fasthttp.RequestCtx) {
	var buffer [1024]byte
	ctx.SetContentType("text/plain")
	ctx.SetBody(fmt.Appendf(buffer[:0], "A reply to %s, made in %d bytes of stack.\n", ctx.Path(), len(buffer)))
}

func (a *app) csv(ctx *fasthttp.RequestCtx) {
	file, err := os.Open(filepath.Join(a.root, "large_dataset.csv"))
	if err != nil {
		notFound(ctx)
		return
	}
	ctx.SetContentType("text/csv")
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer file.Close()
		lines := bufio.NewReader(file)
		for {
			line, err := lines.ReadBytes('\n')
			if _, failed := w.Write(bytes.ToUpper(line)); failed != nil || err != nil {
				return
			}
		}
	})
}

func (a *app) cached(ctx *fasthttp.RequestCtx, key string) {
	a.mutex.RLock()
	value, hit := a.cache[key]
	a.mutex.RUnlock()
	if hit {
		ctx.Response.Header.Set("X-Cache", "HIT")
	} else {
		ctx.Response.Header.Set("X-Cache", "MISS")
		value, _ = json.Marshal(struct {
			Key      string `json:"key"`
			Computed bool   `json:"computed"`
		}{key, true})
		a.mutex.Lock()
		if len(a.cache) < cacheMax {
			a.cache[strings.Clone(key)] = value
		}
		a.mutex.Unlock()
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(value)
}

func (a *app) serve(ctx *fasthttp.RequestCtx) {
	path := string(ctx.Path())
	switch {
	case path == "/":
		ctx.SetContentType("text/plain")
		ctx.SetBodyString("Hello, World!")
	case path == "/json":
		reply(ctx)
	case path == "/efficient":
		efficient(ctx)
	case path == "/stream":
		stream(ctx)
	case path == "/large":
		a.large(ctx)
	case path == "/csv":
		a.csv(ctx)
	case strings.HasPrefix(path, "/file/"):
		a.file(ctx)
	case strings.HasPrefix(path, "/cache/"):
		a.cached(ctx, path[len("/cache/"):])
	default:
		notFound(ctx)
	}
}

func main() {
	a := &app{root: os.Args[2], cache: map[string][]byte{}}
	files := &fasthttp.FS{
		Root:            a.root,
		AcceptByteRange: true,
		PathRewrite:     fasthttp.NewPathPrefixStripper(len("/file")),
		PathNotFound:    notFound,
	}
	a.files = files.NewRequestHandler()
	listener, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	server := &fasthttp.Server{Handler: a.serve, Name: "fasthttp"}
	if err := server.Serve(listener); err != nil {
		panic(err)
	}
}
