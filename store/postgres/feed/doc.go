// Package feed reads what was committed since a position, by any node, even if it was
// committed late (I6). It also detects that the log came back in an earlier state, for
// example after a restore; a new epoch begins then.
package feed
