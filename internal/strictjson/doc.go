// Package strictjson validates and reads JSON from outside, without repairing or
// ignoring anything. Two programs that read a request with it read the same request.
//
// Check accepts one JSON value (RFC 8259) and refuses
//
//   - invalid UTF-8, and unpaired surrogates in escapes, which encoding/json replaces
//     with U+FFFD
//   - repeated names in one object, of which encoding/json keeps the last
//   - U+0000, which PostgreSQL cannot store in text
//   - arrays and objects nested deeper than MaxDepth
//   - text after the value
//
// Object reads the members of one object by their exact names (encoding/json ignores
// case), collects all defects with their JSON pointers, and refuses the members that
// were not read (encoding/json ignores them).
//
// AppendCanonical writes equal JSON values as equal bytes, for idempotency hashes. The
// hashes are stored, so its output must not change.
//
// encoding/json/v2 and encoding/json/jsontext refuse invalid UTF-8, repeated and unknown
// names, and report JSON pointers. They can replace the checker once they are stable,
// that is, without GOEXPERIMENT. U+0000, MaxDepth and AppendCanonical would remain.
package strictjson
