// Package proxytest puts a TCP proxy between a test and a service, which can be
// cut, held, slowed down, and have an answer lost that a test chooses. It is for
// tests only.
package proxytest
