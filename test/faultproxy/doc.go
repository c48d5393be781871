// Package faultproxy is a proxy in front of a node that breaks one guarantee on
// purpose: it injects a fault into frames or REST answers. Tests run im verify
// through it to see that every kind of breach is reported.
package faultproxy
