// Package chat is a chat in the terminal. It is the work of the command im chat.
//
// RunScreen takes the whole terminal; RunPlain reads lines and prints messages, for
// pipes and scripts. Both are ordinary users of package client: the client
// reconnects and fills gaps, and this package only shows what it reports.
package chat
