// Package reports keeps reports of messages for the backend of the app, each with the
// content of the message as it stood.
package reports
