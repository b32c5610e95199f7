"""How an installation does on clips of one's own: rest round the motion, slow cameras, refusals, impostors by kind."""
