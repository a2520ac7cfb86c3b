//! The client against servers that do what a script says.
