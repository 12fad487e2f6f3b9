"""The same digits read by other servers, each written as its own documentation advises."""
