// gws: its own server, which reads requests from connections without net/http's.
//
// SPDX-License-Identifier: MIT
package main

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/lxzan/gws"
)

type echo struct {
	gws.BuiltinEventHandler
}

func (echo) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer message.Close()
	socket.WriteMessage(message.Opcode, message.Bytes())
}

type topic struct {
	gws.BuiltinEventHandler
	mutex   sync.RWMutex
	sockets map[*gws.Conn]struct{}
}

func (t *topic) OnOpen(socket *gws.Conn) {
	t.mutex.Lock()
	t.sockets[socket] = struct{}{}
	t.mutex.Unlock()
}

func (t *topic) OnClose(socket *gws.Conn, _ error) {
	t.mutex.Lock()
	delete(t.sockets, socket)
	t.mutex.Unlock()
}

func (t *topic) OnMessage(_ *gws.Conn, message *gws.Message) {
	defer message.Close()
	broadcaster := gws.NewBroadcaster(message.Opcode, message.Bytes())
	defer broadcaster.Close()
	t.mutex.RLock()
	for socket := range t.sockets {
		broadcaster.Broadcast(socket)
	}
	t.mutex.RUnlock()
}

func main() {
	options := func() *gws.ServerOption { return &gws.ServerOption{CheckUtf8Enabled: true} }
	upgraders := map[string]*gws.Upgrader{
		"/ws":             gws.NewUpgrader(echo{}, options()),
		"/ws/topic/bench": gws.NewUpgrader(&topic{sockets: map[*gws.Conn]struct{}{}}, options()),
	}
	server := gws.NewServer(echo{}, options())
	server.OnError = func(net.Conn, error) {}
	server.OnRequest = func(conn net.Conn, reader *bufio.Reader, request *http.Request) {
		upgrader := upgraders[request.URL.Path]
		if upgrader == nil {
			conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\nHello, World!"))
			conn.Close()
		} else if socket, err := upgrader.UpgradeFromConn(conn, reader, request); err == nil {
			socket.ReadLoop()
		}
	}
	panic(server.Run("127.0.0.1:" + os.Args[1]))
}
