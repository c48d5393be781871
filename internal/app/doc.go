// Package app assembles one node from its settings. It opens the services that the
// node depends on, connects the adapters to one another, serves HTTP, and stops
// everything in an order in which nothing is lost.
//
// It is the only package that imports every adapter. Only programs may import it:
// cmd/im (im serve runs one node, im dev several in one process) and the tools and
// tests that start nodes.
//
// # Start
//
// New validates the settings, connects to PostgreSQL, Redis and RabbitMQ at the
// same time, and migrates the schema. A service that does not answer is retried
// until Services.StartTimeout; each error names the setting at fault. Migrations have
// their own time, Services.MigrateTimeout; meanwhile AnswerWhileStarting answers
// /healthz. New starts nothing. Run starts the parts in this order:
//
//	store      committers, and the tail that reads what other nodes commit
//	hub        delivers events to the sockets of this node
//	routing    registers the node in Redis and subscribes to the broker
//	gate       writes profiles that tokens carry
//	receipts   writes and announces read and delivery positions
//	gateway    accepts sockets
//	webhooks   delivers events to the app's backend
//	hook       asks the app about messages
//	HTTP       serves REST, the sockets and the web chat
//
// # Stop
//
// Run stops when its context ends or when a part fails. A step begins when the one
// above it has ended:
//
//	not ready           /readyz answers 503, and load balancers choose other nodes
//	no new sockets      the gateway refuses them
//	drain the sockets   requests are answered; clients are asked to reconnect elsewhere
//	no new requests     REST calls in flight are finished
//	hook                messages that wait for the app are decided
//	webhooks            calls in flight are finished; other nodes take over
//	receipts, gate      the last positions and profiles are written
//	leave the registry  other nodes route nothing here any more
//	routers, hub        committed events are passed on
//	committers          accepted commands are written
//
// The whole takes 28 s at most. Close then closes the pools.
package app
