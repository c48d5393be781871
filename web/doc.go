// Package web is the chat page that every node serves at /, embedded in the
// binary: one HTML file, one style sheet, ES modules, no build step. It asks
// nothing of other origins and runs no inline script; the Content-Security-Policy
// holds it to that.
//
// im.js is a JavaScript client of the contract with the same promises as the Go
// one (each event once and in order, sends until answered, back by itself), and
// knows nothing of the page. chat.js is the page.
package web
