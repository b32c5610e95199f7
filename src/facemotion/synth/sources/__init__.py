"""Where what people are drawn from comes from: public repositories, or a clay head of our own making."""
