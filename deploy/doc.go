// Package deploy holds the configuration of a cluster: nginx in front of the nodes, the
// settings of PostgreSQL, and the services that the tests need. Its tests check these
// files, and the compose files, without Docker.
package deploy
