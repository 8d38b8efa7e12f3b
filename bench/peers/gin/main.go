// The article's programs on Gin.
//
// SPDX-License-Identifier: MIT
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

const cacheMax = 1000

type app struct {
	root  string
	mutex sync.RWMutex
	cache map[string][]byte
}

func notFound(c *gin.Context) {
	c.String(http.StatusNotFound, "File not found")
}

func (a *app) file(c *gin.Context) {
	// Param holds the leading slash; as an absolute path, cleaning leaves no way out of the folder.
	path := filepath.Join(a.root, filepath.Clean(c.Param("file")))
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		notFound(c)
		return
	}
	c.Header("Content-Type", "application/octet-stream")
	c.File(path)
}

func stream(c *gin.Context) {
	c.Header("Content-Type", "text/plain")
	for i := 0; i < 1000000; i++ {
		if _, err := fmt.Fprintf(c.Writer, "Chunk %d\n", i); err != nil {
			return
		}
		if i%1000 == 0 {
			c.Writer.Flush()
			time.Sleep(time.Millisecond)
		}
	}
}

func (a *app) large(c *gin.Context) {
	file, err := os.Open(filepath.Join(a.root, "large.bin"))
	if err != nil {
		notFound(c)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		notFound(c)
		return
	}
	c.Header("Content-Type", "application/octet-stream")
	c.Header("Content-Length", strconv.FormatInt(info.Size(), 10))
	c.Header("Connection", "close")
	c.Status(http.StatusOK)
	buffer := make([]byte, 8192)
	for {
		n, err := file.Read(buffer)
		if n > 0 {
			if _, failed := c.Writer.Write(buffer[:n]); failed != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func reply(c *gin.Context) {
	id := c.GetHeader("X-Request-ID")
	if id == "" {
		id = "unknown"
	}
	c.JSON(http.StatusOK, struct {
		ID        string `json:"request_id"`
		Timestamp int64  `json:"timestamp"`
		Status    string `json:"status"`
	}{id, time.Now().Unix(), "ok"})
}

func efficient(c *gin.Context) {
	var buffer [1024]byte
	text := fmt.Appendf(buffer[:0], "A reply to %s, made in %d bytes of stack.\n", c.Request.URL.Path, len(buffer))
	c.Data(http.StatusOK, "text/plain", text)
}

func (a *app) csv(c *gin.Context) {
	file, err := os.Open(filepath.Join(a.root, "large_dataset.csv"))
	if err != nil {
		notFound(c)
		return
	}
	defer file.Close()
	c.Header("Content-Type", "text/csv")
	c.Status(http.StatusOK)
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if _, failed := c.Writer.Write(bytes.ToUpper(line)); failed != nil {
				return
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(err)
		}
	}
}

func (a *app) cached(c *gin.Context) {
	key := c.Param("key")
	a.mutex.RLock()
	value, hit := a.cache[key]
	a.mutex.RUnlock()
	if hit {
		c.Header("X-Cache", "HIT")
	} else {
		c.Header("X-Cache", "MISS")
		value, _ = json.Marshal(struct {
			Key      string `json:"key"`
			Computed bool   `json:"computed"`
		}{key, true})
		a.mutex.Lock()
		if len(a.cache) < cacheMax {
			a.cache[key] = value
		}
		a.mutex.Unlock()
	}
	c.Data(http.StatusOK, "application/json", value)
}

// What the table of growth asks for.
func number(name string) int {
	value, _ := strconv.Atoi(os.Getenv(name))
	return value
}

func hello(c *gin.Context) {
	c.Data(http.StatusOK, "text/plain", []byte("Hello, World!"))
}

func main() {
	gin.SetMode(gin.ReleaseMode)
	a := &app{root: os.Args[2], cache: map[string][]byte{}}
	router := gin.New()
	router.Use(gin.Recovery())
	for i := 0; i < number("PEER_MIDDLEWARE"); i++ {
		router.Use(func(c *gin.Context) { c.Next() })
	}
	for i := 0; i < number("PEER_ROUTES"); i++ {
		router.GET(fmt.Sprintf("/route%d/:id", i), hello)
	}
	router.GET("/", hello)
	router.GET("/file/*file", a.file)
	router.GET("/stream", stream)
	router.GET("/large", a.large)
	router.GET("/json", reply)
	router.GET("/efficient", efficient)
	router.GET("/csv", a.csv)
	router.GET("/cache/:key", a.cached)
	if err := router.Run("127.0.0.1:" + os.Args[1]); err != nil {
		panic(err)
	}
}
