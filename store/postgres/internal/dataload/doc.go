// Package dataload batches concurrent lookups by key.
package dataload
