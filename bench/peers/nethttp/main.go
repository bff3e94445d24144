// The application of bench/application.py on net/http.
package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	answers "../answers"

	"golang.org/x/net/netutil"
)

var database *answers.Database

func serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/wait":
		time.Sleep(answers.Wait)
		give(w, answers.Text, answers.Hello)
	case "/upload":
		upload(w, r)
	case "/json":
		give(w, answers.JSON, answers.Listing())
	case "/database":
		row(w)
	case "/stats":
		give(w, answers.JSON, []byte(`{"running": []}`))
	case "/1-whole", "/1-file":
		give(w, answers.Binary, answers.Large)
	case "/1-iterable":
		stream(w, 1<<20)
	case "/100-iterable", "/100-file":
		stream(w, 100<<20)
	default:
		give(w, answers.Text, answers.Hello)
	}
}

func head(w http.ResponseWriter, kind string, size int) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(size))
}

func give(w http.ResponseWriter, kind string, body []byte) {
	head(w, kind, len(body))
	w.Write(body) // the client has gone if it fails, and net/http knows
}

func upload(w http.ResponseWriter, r *http.Request) {
	read, err := io.Copy(io.Discard, r.Body)
	if err != nil || read != r.ContentLength {
		http.Error(w, "incomplete", http.StatusBadRequest)
		return
	}
	give(w, answers.Text, answers.Hello)
}

func row(w http.ResponseWriter) {
	said, err := database.Row()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	give(w, answers.JSON, said)
}

func stream(w http.ResponseWriter, size int) {
	head(w, answers.Binary, size)
	for ; size > 0; size -= len(answers.Block) {
		if _, err := w.Write(answers.Block); err != nil {
			return
		}
	}
}

func main() {
	settings := answers.Parsed()
	database = answers.Open()
	listener, err := net.Listen("tcp4", settings.Address)
	if err != nil {
		log.Fatal(err)
	}
	if settings.Limit > 0 {
		listener = netutil.LimitListener(listener, settings.Limit)
	}
	server := &http.Server{
		Handler:     http.HandlerFunc(serve),
		IdleTimeout: 75 * time.Second,
		ErrorLog:    log.New(io.Discard, "", 0),
		TLSConfig:   &tls.Config{MinVersion: tls.VersionTLS13},
		// HTTP/1.1 as everybody else.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	if settings.Certificate != "" {
		log.Fatal(server.ServeTLS(listener, settings.Certificate, settings.Key))
	}
	log.Fatal(server.Serve(listener))
}
