// Package node makes one node of its settings: it opens what the node depends
// on, wires the adapters to one another, serves HTTP, and stops it all in an
// order in which nothing is lost.
//
// It is the only package that knows every adapter. `im serve` runs one node,
// `im dev` several in one process, wired as on machines of their own.
package app
