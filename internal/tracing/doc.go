// Package tracing begins the spans of a node (OpenTelemetry).
//
// A node without traces has a nil Tracer, and a message that is not sampled has a nil
// Span. Callers compare with nil before they compute attributes, so that both cost a
// comparison.
//
// The spans of a message, each within the one above it:
//
//	ws send, or POST /v1/…     the request, until it is answered
//	  append                   from the queue of the log to the answer
//	    append batch           one attempt at a transaction, with its statements; it is
//	                           within the first of its messages, and linked to all of them
//	    deliver                the hub of this node
//	      write                to one socket
//	    dispatch               to one other node
//	      deliver              the hub of that node
//	        write              to one socket
//
// Attributes name conversations, seqs, nodes and sessions. They never hold users, tokens,
// or anything that a client wrote.
package tracing
