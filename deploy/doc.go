// Package deploy holds what runs a cluster: nginx in front of the nodes, and the
// services that the tests need. Its tests check the composing files, Docker or no.
package deploy
