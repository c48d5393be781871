// Package migrations holds the database schema of the store as embedded SQL files, in
// the format of github.com/jackc/tern. Package store/postgres runs them, under a lock.
//
// A file that has been released never changes; a change of the schema is a new file
// with the next number. A migration must leave nodes of the version before it working.
// Therefore a function that changes its parameters or its meaning gets a new version in
// its name (im_append_1, im_append_2 …), and the old one is dropped one release later.
package migrations

import "embed"

// Files are the migrations; the number in a file name is its position.
//
//go:embed *.sql
var Files embed.FS
