// Package pg is the base of the packages of store/postgres: connections and their
// settings, the translation of errors, the epoch, transaction snapshots and cursors.
package pg
