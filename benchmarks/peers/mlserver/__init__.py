"""A model repository of MLServer's: settings of the server and of its one model, and the runtime that it names."""
