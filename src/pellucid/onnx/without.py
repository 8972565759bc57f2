"""Ops that have no ONNX form here, and why. A layer that applies one is refused; each layer of nn has a form."""

from __future__ import annotations

_DRAWS = "it draws random numbers: a file has to give the same answer each time"
_DECOMPOSITION = "ONNX has no operator for decompositions of matrices and linear systems"
_SPECIAL = "ONNX has no operator for this special function"
_COMPLEX = "ONNX has no arithmetic of complex numbers"
_UPDATE = "it changes parameters or statistics in training"
_BACKWARD = "it is part of a backward pass"
_VALUES = "the shape of its result depends on the values, or ONNX has no operator for it"
_BITS = "ONNX cannot look at the bits of a number"
_ORDER = "ONNX has no operator for it"

_REASONS = {
    _DRAWS: """
        bernoulli bernoulli_ binomial_numbers cauchy_ dropout_mask exponential_ geometric_ keep_mask log_normal_
        multinomial normal normal_ normal_of_size poisson_numbers rand rand_like randint randint_like randn
        randn_like random_ randperm rrelu_noise standard_gamma uniform_
    """,
    _DECOMPOSITION: """
        cholesky_factor cholesky_solution cofactors det eig_packed eigh_packed inverse lu_packed matrix_exp
        pseudo_inverse qr_packed slogdet_packed solution svd_packed svdvals triangular_solution cross_product
    """,
    _SPECIAL: """
        atan2 copysign digamma erfinv gamma_cdf heaviside i0 igamma igammac lgamma logaddexp2 nextafter
        polygamma_of sinc gcd lcm special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0
        special_bessel_y1 special_chebyshev_polynomial_t special_chebyshev_polynomial_u
        special_chebyshev_polynomial_v special_chebyshev_polynomial_w special_entr special_erfcx
        special_hermite_polynomial_h special_hermite_polynomial_he special_i0e special_i1 special_i1e
        special_laguerre_polynomial_l special_legendre_polynomial_p special_log_ndtr special_modified_bessel_i0
        special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1 special_ndtr
        special_ndtri special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1
        special_shifted_chebyshev_polynomial_t special_shifted_chebyshev_polynomial_u
        special_shifted_chebyshev_polynomial_v special_shifted_chebyshev_polynomial_w
        special_spherical_bessel_j0 special_xlog1py special_zeta
    """,
    _COMPLEX: """
        angle fourier from_half_spectrum half_spectrum imag make_complex phase view_as_complex view_as_real
    """,
    _UPDATE: """
        embedding_renorm_ update_running_stats_
    """,
    _BACKWARD: """
        along attention_gradients avg_pool_spread class_weights convolution_weight cross_entropy_backward
        cumprod_backward diagonal_embed future gather_embed index_embed index_zeros_put log_softmax_backward mask_rows
        max_pool_gather normalize_backward normalize_gradients others part_embed pick piece piece_embed place
        repeat_rows
        gru_delta lstm_delta rnn_delta softmax_backward spread standard_gamma_slope strided_embed take_embed
        threshold_backward view_embed view_replay view_zero windows_add
    """,
    _VALUES: """
        bincount frequencies histc histogram isin masked_scatter repeat_indices searchsorted unique
        unique_consecutive unique_values wrap_indices quantile_of_sorted
    """,
    _BITS: "bitwise_left_shift bitwise_right_shift frexp signbit view_dtype",
    _ORDER: """
        cummax cummin cumprod linspace logcumsumexp logspace max_pool_scatter median median_along mode_along
        nanmedian nanmedian_along pad_indices put triangle_indices
    """,
}
OPS = {name: reason for reason, names in _REASONS.items() for name in names.split()}
