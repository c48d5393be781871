// Package attachments keeps the rows of attachments: who may read which file, and which
// files the storage must delete. The append binds an attachment to a conversation, and a
// recall lets it go; see package appendlog and migrations/0013_attachments.sql.
//
// # What it promises
//
//   - I8: a user who may read no message that names an attachment gets ErrNotFound.
//   - A row is deleted only after its file is. Until then a sweep of some node finds it.
//   - Any number of nodes may sweep. They skip the rows that another one works on.
package attachments
