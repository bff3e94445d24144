// The application of bench/application.py on fasthttp.
package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"time"

	answers "../answers"

	"github.com/valyala/fasthttp"
)

var database *answers.Database

func serve(c *fasthttp.RequestCtx) {
	switch string(c.Path()) {
	case "/wait":
		time.Sleep(answers.Wait)
		give(c, answers.Text, answers.Hello)
	case "/upload":
		upload(c)
	case "/json":
		give(c, answers.JSON, answers.Listing())
	case "/database":
		row(c)
	case "/stats":
		give(c, answers.JSON, []byte(`{"running": []}`))
	case "/1-whole", "/1-file":
		give(c, answers.Binary, answers.Large)
	case "/1-iterable":
		stream(c, 1<<20)
	case "/100-iterable", "/100-file":
		stream(c, 100<<20)
	default:
		give(c, answers.Text, answers.Hello)
	}
}

func give(c *fasthttp.RequestCtx, kind string, body []byte) {
	c.SetContentType(kind)
	c.Response.SetBodyRaw(body) // the bytes are not changed, so they need not be copied
}

// fasthttp has read the body before it calls the handler; the handler looks at all of it.
func upload(c *fasthttp.RequestCtx) {
	if len(c.PostBody()) != c.Request.Header.ContentLength() {
		c.Error("incomplete", fasthttp.StatusBadRequest)
		return
	}
	give(c, answers.Text, answers.Hello)
}

func row(c *fasthttp.RequestCtx) {
	said, err := database.Row()
	if err != nil {
		c.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	give(c, answers.JSON, said)
}

func stream(c *fasthttp.RequestCtx, size int) {
	c.SetContentType(answers.Binary)
	c.SetBodyStream(&blocks{left: size}, size)
}

// blocks is a reader of so many bytes, 64 KiB at a time.
type blocks struct{ left int }

func (b *blocks) Read(into []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	at := -b.left & 65535
	n := copy(into, answers.Block[at:])
	b.left -= n
	return n, nil
}

func main() {
	settings := answers.Parsed()
	database = answers.Open()
	server := &fasthttp.Server{
		Handler:            serve,
		Concurrency:        settings.Limit,
		IdleTimeout:        75 * time.Second,
		MaxRequestBodySize: 16 << 20,
		ReduceMemoryUsage:  settings.Idle,
		Logger:             log.New(io.Discard, "", 0),
	}
	listener, err := net.Listen("tcp4", settings.Address)
	if err != nil {
		log.Fatal(err)
	}
	if settings.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(settings.Certificate, settings.Key)
		if err != nil {
			log.Fatal(err)
		}
		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13,
		})
	}
	log.Fatal(server.Serve(listener))
}
