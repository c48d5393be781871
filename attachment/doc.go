// Package attachment stores the files that messages name: in a folder that all nodes share,
// or in a bucket of an S3 storage.
//
// A file is uploaded by a signed request to its storage, and read by a signed address that
// is valid for five minutes. For a folder the node itself takes and serves the file. A node
// never passes on the file of a bucket.
//
// # What it promises
//
//   - The signature of an upload binds size, type and checksum. A file becomes ready only
//     after they were verified, and after its first bytes were found to be of its type.
//   - A file of a message is deleted after the message was recalled, however often nodes and
//     the storage fail in between: the work is in the rows of the store, which the recall
//     changes in its own transaction.
//   - A file is never served as something that a browser runs.
//   - Names of files come from ids only. The name that a user chose is shown, and never used
//     as a path.
package attachment
