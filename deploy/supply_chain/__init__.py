"""What the serving image is made of: from where, under which licence, and whether somebody has warned of it."""
