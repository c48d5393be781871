// Package coalesce buffers writes behind: values that arrive one by one and
// often are merged per key and written in batches. Use it for data that may be
// written a moment later and may be lost in a crash, such as read positions,
// last-seen times and receipts.
//
// What it promises:
//
//   - A value waits for at most Every, plus the time of a flush that is running.
//   - An empty buffer costs nothing: no timer runs.
//   - Memory is bounded by Max keys. Add refuses further keys.
//   - Flushes never overlap, whoever starts them.
//   - After a failed flush, at most Retain keys are kept for the next one.
//   - When Run ends, what still waits is flushed once more.
package coalesce
