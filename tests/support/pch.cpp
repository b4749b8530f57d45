// tests/support/pch.cpp — nothing: whoever owns a precompiled header must have a source.
// Go: none.  Room: tests/support.
