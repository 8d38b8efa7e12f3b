// A row of PostgreSQL by its key: Go's net/http with pgx and its pool. Which database: the environment says (PGHOST and
// its kin).
//
// SPDX-License-Identifier: MIT
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
)

const connections = 32

type thing struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

func main() {
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		panic(err)
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		panic(err)
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte("Hello, World!"))
	})
	http.HandleFunc("GET /row/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil {
			http.Error(w, "no number", http.StatusBadRequest)
			return
		}
		var found thing
		err = pool.QueryRow(r.Context(), "SELECT id, name FROM things WHERE id = $1", id).Scan(&found.ID, &found.Name)
		if err != nil {
			http.Error(w, "no row", http.StatusInternalServerError)
			return
		}
		body, _ := json.Marshal(found)
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
