// Package web serves the chat page that every node has at /. The page is embedded in
// the binary: one HTML file, one style sheet and ES modules, without a build step. It
// loads nothing from other origins and runs no inline script; its
// Content-Security-Policy enforces both.
//
// im.js is a JavaScript client of the contract. It gives the same guarantees as the Go
// client: each event once and in order, sends are retried until they are answered, and
// the client reconnects without help. It does not depend on the page. chat.js is the page.
package web
