// Package report tells what came of a scenario. Its types are the outcome of a run;
// Judge holds it against what was expected; WriteText, WriteJSON and Golden write it
// for people, for machines, and for tests on a build that does not repeat itself.
package report
