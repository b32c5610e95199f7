"""Takes filmed into a data set: a camera or films in, clips, a manifest and everybody's consent out."""
