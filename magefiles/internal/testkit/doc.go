// Package testkit has what the tests of several packages need: assertions,
// fixtures and the programs that judge us from outside. Nothing but tests
// imports it.
package testkit
