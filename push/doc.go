// Package push sends push notifications to devices: by FCM, APNs and Web Push.
//
// What a device has not acknowledged some time after the commit is pushed, whatever its
// sockets say. Package store/postgres/push keeps what is owed, and says what is to be sent
// at the moment at which it is sent.
//
// # What it promises
//
//   - At least once: what is owed survives the death of nodes. A notification may come
//     twice; the second one replaces the first, because both have the same collapse key.
//   - One notification a device and conversation: a burst of messages is one, about the last
//     message.
//   - A provider that is slow or away delays no other one. Of Web Push that is true for
//     each push service, too.
//   - What is older than ten minutes is not sent. What was recalled, read, or acknowledged
//     by the device is not sent either, and the text is that of the last edit.
//   - An address that the provider refuses is removed. Addresses are in no log and in no
//     error.
//   - Web Push calls public addresses only, and those that the operator allows for it. Users
//     learn nothing of the answers of the latter but their status.
package push
