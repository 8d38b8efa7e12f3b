// Go's net/http alone: HTTP/1.1, HTTP/2 by prior knowledge, and both over TLS.
//
// SPDX-License-Identifier: MIT
package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

func main() {
	root, cert, key := os.Args[3], os.Args[4], os.Args[5]
	mux := http.NewServeMux()
	hello := []byte("Hello, World!")
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(len(hello)))
		w.Write(hello)
	})
	mux.HandleFunc("GET /file/{file...}", func(w http.ResponseWriter, r *http.Request) {
		path := filepath.Join(root, filepath.Clean("/"+r.PathValue("file")))
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			http.Error(w, "File not found", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeFile(w, r, path)
	})
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: mux, Protocols: &protocols}
	failed := make(chan error)
	serve := func(port string, serve func(net.Listener) error) {
		listener, err := net.Listen("tcp4", "127.0.0.1:"+port)
		if err == nil {
			err = serve(listener)
		}
		failed <- err
	}
	go serve(os.Args[2], func(listener net.Listener) error { return server.ServeTLS(listener, cert, key) })
	go serve(os.Args[1], server.Serve)
	panic(<-failed)
}
