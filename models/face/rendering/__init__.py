"""From a moving mesh to pictures: 3D animation, blend, generator."""
