// Package storetest runs a store on a database of a test, and drives it: it sends
// commands, waits for answers and checks what is stored. It is for tests only.
package storetest
