// Package top is the code behind `im top`: it reads the metrics of nodes at their
// addresses for operators, and shows what happened between two readings.
package top
