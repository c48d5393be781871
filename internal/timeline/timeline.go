// Package timeline marks when a message passes the stages on its way through a node.
//
// The marks are log events in execution traces of the Go runtime. While no trace is
// taken, a mark costs one load of a variable. With IM_DEBUG_ADDR set, a node serves
// traces under /debug/pprof/trace; `im bench --timeline` takes one and evaluates the
// marks.
package timeline

import (
	"context"
	"runtime/trace"
)

// Category is the category of all marks. The text of a mark is its stage, a space and the
// key of the message.
const Category = "im.message"

// Stage is a point on the way of a message.
type Stage string

// The stages in their order.
const (
	Read      Stage = "read"      // a frame was read; it has no key yet. The next Parsed of the goroutine belongs to it
	Parsed    Stage = "parsed"    // the frame is a message
	Queued    Stage = "queued"    // the command is about to be put into the queue of the log
	Taken     Stage = "taken"     // a committer has it
	Append    Stage = "append"    // it is decided, and its append begins
	Committed Stage = "committed" // the answer to the append was read
	Pushed    Stage = "pushed"    // the hub begins to deliver it
	Answered  Stage = "answered"  // the frame sent was written to the socket of the sender
	Delivered Stage = "delivered" // the frame event was written to one of the sockets
)

// On reports whether marks are recorded. Callers check it before they compute a key.
func On() bool { return trace.IsEnabled() }

// Mark records that a message has reached a stage. The key is its client_msg_id.
func Mark(stage Stage, key string) {
	if trace.IsEnabled() {
		trace.Log(context.Background(), Category, string(stage)+" "+key)
	}
}
