"""What the pages show: plain data turned into words, shapes and figures. Pure."""
