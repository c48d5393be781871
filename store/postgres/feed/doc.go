// Package feed reads what was committed since a position, by any node, however late it
// committed (I6), and detects that the log came back in an earlier state: then a new
// epoch begins.
package feed
