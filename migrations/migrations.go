// Package migrations holds the schema of the store as embedded SQL, in the form
// of github.com/jackc/tern. Package store/postgres runs them, under a lock.
//
// A file that has been released is never changed; what is to be different comes
// with the next number. A migration must leave the nodes that still run the
// version before it working: a function that changes its parameters gets a new
// name (im_append_1, im_append_2 …), and the old one goes a release later.
package migrations

import "embed"

// Files are the migrations, in the order of their numbers.
//
//go:embed *.sql
var Files embed.FS
