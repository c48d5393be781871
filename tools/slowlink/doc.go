// Package slowlink opens TCP connections with small buffers at both ends. A peer that
// writes to one blocks soon if this end does not read.
package slowlink

// receiveBuffer is the size of the receive buffer in bytes.
const receiveBuffer = 16 << 10
