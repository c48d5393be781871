// Package wire encodes the frames that the server sends on the WebSocket
// (contract v1, section 3) and names the codes that it closes sockets with.
//
// A frame is encoded once, header included, and shared by all sockets that it
// is sent to. Frames that are sent often are appended by hand; the others go
// through encoding/json. testdata holds every frame, byte for byte.
package wire
