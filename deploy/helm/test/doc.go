// Package helmtest renders the Helm chart as helm does, and checks what it makes. It is a
// module of its own, because Helm and the types of Kubernetes are large: make test-helm.
package helmtest
