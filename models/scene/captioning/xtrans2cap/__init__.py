"""X-Trans2Cap (Yuan et al., CVPR 2022), as published and as shipped."""
