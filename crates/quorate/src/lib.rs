//! Runs a neural network across small devices and does not notice when one of them dies.
