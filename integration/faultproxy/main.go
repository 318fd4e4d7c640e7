// Command faultproxy lets tests spoil the way to a server: toxiproxy as a library,
// in a program of its own so that the product's module stands on none of it.
//
// It prints the address of toxiproxy's API, whose calls make proxies and their
// faults, and ends with its standard input.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "faultproxy:", err)
		os.Exit(1)
	}
	proxies := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	api := &http.Server{Handler: proxies.Routes(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Printf("http://%s\n", listener.Addr())
	fmt.Fprintln(os.Stderr, "faultproxy:", api.Serve(listener))
	os.Exit(1)
}
