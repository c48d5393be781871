// Package realtimetest is for tests: what the hub and the gateway depend on, in
// memory, with ways to make it fail, wait and answer late.
package realtimetest
