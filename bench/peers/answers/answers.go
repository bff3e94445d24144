// Package answers has what both servers in Go answer: the same bytes as bench/application.py.
package answers

import (
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand"
	"os"
	"time"

	_ "github.com/lib/pq" // the driver
)

// Connections is how many the pool has, as everywhere.
const Connections = 20

// Rows is how many the table has.
const Rows = 10000

// Wait is how long a request waits.
const Wait = 10 * time.Millisecond

const items = 114

// The types of the answers.
const (
	Text   = "text/plain"
	Binary = "application/octet-stream"
	JSON   = "application/json"
)

// Hello is the shortest answer.
var Hello = []byte("Hello, World!")

// Block is 64 KiB.
var Block = block()

// Large is 1 MiB.
var Large = large()

// Settings is what the command line says.
type Settings struct {
	Address, Certificate, Key string
	Limit                     int
	Idle                      bool
}

// Parsed reads the command line.
func Parsed() Settings {
	var s Settings
	flag.StringVar(&s.Address, "address", "127.0.0.1:0", "host:port")
	flag.StringVar(&s.Certificate, "certificate", "", "file, for HTTPS")
	flag.StringVar(&s.Key, "key", "", "its key's file")
	flag.IntVar(&s.Limit, "limit", 0, "how many connections at once; 0 for the default")
	flag.BoolVar(&s.Idle, "idle", false, "whether most connections are idle")
	flag.Parse()
	return s
}

type item struct {
	ID    int      `json:"id"`
	Name  string   `json:"name"`
	Tags  []string `json:"tags"`
	Stock int      `json:"stock"`
	Price string   `json:"price"`
	Sold  bool     `json:"sold"`
}

// Listing makes some 10 KB of JSON, of objects that are made anew.
func Listing() []byte {
	made := make([]item, items)
	for n := range made {
		made[n] = item{
			ID: n, Name: fmt.Sprintf("item %d", n), Tags: []string{"new", "used"}, Stock: n * 7,
			Price: fmt.Sprintf("%d.50", n), Sold: n%2 == 0,
		}
	}
	return encoded(struct {
		Items []item `json:"items"`
	}{made})
}

func encoded(value interface{}) []byte {
	said, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return said
}

// Database is a pool of connections, with the query prepared.
type Database struct{ one *sql.Stmt }

// Open connects to the database that BENCH_DSN names, if it names one.
func Open() *Database {
	rand.Seed(time.Now().UnixNano()) // before Go 1.20 everybody's would be the same
	dsn := os.Getenv("BENCH_DSN")
	if dsn == "" {
		return nil
	}
	pool, err := sql.Open("postgres", dsn)
	if err != nil {
		log.Fatal(err)
	}
	pool.SetMaxOpenConns(Connections)
	pool.SetMaxIdleConns(Connections)
	one, err := pool.Prepare("SELECT id, text FROM rows WHERE id = $1")
	if err != nil {
		log.Fatal(err)
	}
	return &Database{one}
}

// Row is a row as JSON, another each time.
func (d *Database) Row() ([]byte, error) {
	var row struct {
		ID   int    `json:"id"`
		Text string `json:"text"`
	}
	if d == nil {
		return nil, fmt.Errorf("BENCH_DSN is not set")
	}
	if err := d.one.QueryRow(rand.Intn(Rows)).Scan(&row.ID, &row.Text); err != nil {
		return nil, err
	}
	return encoded(row), nil
}

func block() []byte {
	made := make([]byte, 65536)
	for n := range made {
		made[n] = byte(n)
	}
	return made
}

func large() []byte {
	made := make([]byte, 0, 1<<20)
	for len(made) < cap(made) {
		made = append(made, Block...)
	}
	return made
}
