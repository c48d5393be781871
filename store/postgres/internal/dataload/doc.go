// Package dataload batches concurrent lookups by key, so that a crowd of clients that
// connect at the same moment costs the database few queries.
//
// A Loader promises freshness: the answer to a Load comes from a query that began
// after Load was called. A caller that registers first and loads second therefore
// misses nothing.
package dataload
