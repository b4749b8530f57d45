// Command serve is a TCP echo server or an HTTP server that says hello, on a
// port of the kernel's choice: the twins of examples/echo_server and
// examples/http_hello.
//
//	GOMAXPROCS=1 serve echo|http
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// echo does what io.Copy(conn, conn) would, but for splice(2), which makes
// small messages slower.
func echo(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func serveEcho(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go echo(conn)
	}
}

func serveHello(listener net.Listener) error {
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello, World!")
	}))
}

func main() {
	serve, ok := map[string]func(net.Listener) error{"echo": serveEcho, "http": serveHello}[os.Args[len(os.Args)-1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "usage: serve echo|http")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err == nil {
		fmt.Println("listening on", listener.Addr())
		err = serve(listener)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
