// Package liar is a proxy in front of a node that breaks one guarantee on
// purpose, for tests that see im verify find it. Nothing but tests uses it.
package faultproxy
